# Completion of ./workshop for zsh: source <(./workshop completion zsh)
# The commands are those of help.txt, the levels the folders, the steps the blocks of a solution.

_workshop() {
  local root=${${(Q)words[1]}:A:h} command=$words[2] level=$words[3]
  local -a found
  if (( CURRENT == 2 )); then
    found=(${(f)"$(sed -n 's/^  \.\/workshop \([a-z]*\) .*/\1/p' $root/common/runner/help.txt)"})
  elif [[ $words[CURRENT] == -* ]]; then
    found=(${(fu)"$(grep -o -- '--[a-z-]*' $root/common/runner/help/$command.txt)"} --help)
  else
    case $command:$CURRENT in
      bundle:3) found=(save load) ;;
      bench:*) found=(start pull build check) ;;
      completion:3) found=(bash zsh fish) ;;
      room:3|bundle:4) _files && return ;;
      (check|watch|hint|diff|solve|reset|gate):3) found=($root/level<->-*(N:t)) found=(${${found#level}%%-*}) found=(${found#0}) ;;
      (hint|diff|solve|reset):4)
        found=(${(fu)"$(sed -n 's|.*// STEP(level[0-9]*\.\([0-9]*\)).*|\1|p' $root/solutions/level0$level.cpp)"}) ;;
    esac
  fi
  compadd -a found
}

(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _workshop workshop ./workshop
