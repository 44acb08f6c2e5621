# Completion of ./workshop for fish: ./workshop completion fish | source
# The commands are those of help.txt, the levels the folders, the steps the blocks of a solution.

function __workshop_root
    set -l words (commandline -opc)
    dirname -- (realpath -- $words[1])
end

function __workshop_commands
    sed -n 's/^  \.\/workshop \([a-z]\{1,\}\).*   *\(.*\)/\1\t\2/p' (__workshop_root)/common/runner/help.txt
end

function __workshop_arguments
    set -l words (commandline -opc)
    set -l root (__workshop_root)
    switch "$words[2]:"(count $words)
        case bundle:2
            printf '%s\n' save load
        case 'bench:*'
            printf '%s\n' start pull build check
        case completion:2
            printf '%s\n' bash zsh fish
        case check:2 watch:2 hint:2 diff:2 solve:2 reset:2 gate:2
            string replace -r '.*/level0*([0-9]+)-.*' '$1' -- $root/level*-*
        case hint:3 diff:3 solve:3 reset:3
            sed -n 's|.*// STEP(level[0-9]*\.\([0-9]*\)).*|\1|p' $root/solutions/level0$words[3].cpp | sort -un
    end
end

complete -c workshop -e
complete -c workshop -f -n 'test (count (commandline -opc)) -eq 1' -a '(__workshop_commands)'
complete -c workshop -f -n 'test (count (commandline -opc)) -gt 1' -a '(__workshop_arguments)'
complete -c workshop -F -n 'contains -- (commandline -opc)[2] room bundle'
