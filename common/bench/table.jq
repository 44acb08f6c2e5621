# What `measure` kept of a topic, as a table in Markdown.

def median: sort | (length / 2 | floor) as $middle
  | if length % 2 == 1 then .[$middle] else (.[$middle - 1] + .[$middle]) / 2 end;

# With that many decimals, also where they are 0.
def fixed($decimals): pow(10; $decimals) as $scale | (. * $scale | round) as $scaled
  | "\($scaled / $scale | floor)" + if $decimals == 0 then "" else
      ".\($scale + $scaled % $scale | tostring | .[1:])" end;

def three_digits: if . < 9.995 then fixed(2) elif . < 99.95 then fixed(1) else fixed(0) end;

def amount($unit):
  if $unit == "s" and . < 0.9995 then "\(. * 1000 | three_digits) ms" else "\(three_digits) \($unit)" end;

def aimed($aim; $unit): if $aim then "≤ \($aim) \($unit): \(if . <= $aim then "met" else "missed" end)" else "" end;

# The first of a case is ours; the others stand beside it.
def row($case; $i): $case.unit as $unit | ($case.rows[0].values | median) as $ours
  | (.values | median) as $median | ($ours / $median) as $ratio
  | [.tool, ($median, (.values | min), (.values | max) | amount($unit)), (.values | length)]
  + if $i == 0 then ["", ($ours | aimed($case.rows[0].aim; $unit))]
    else ["\($ratio | fixed(2)) ×", (.aim as $aim | $ratio | aimed($aim; "×"))] end;

"| | tool | median | from | to | runs | ours : it | aim |",
"|---|---|---|---|---|---|---|---|",
(.[] | . as $case | .rows | keys[] as $i
  | "| " + ([if $i == 0 then $case.case else "" end] + (.[$i] | row($case; $i)) | join(" | ")) + " |")
