# Completion of ./workshop for bash: source <(./workshop completion bash)
# The commands are those of help.txt, the levels the folders, the steps the blocks of a solution.

_workshop() {
  local root help word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]-} level=${COMP_WORDS[2]-}
  root=$(dirname -- "$(readlink -f -- "${COMP_WORDS[0]}")")
  help=$root/common/runner/help
  [[ -f $help.txt ]] || return 0
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "$(sed -n 's/^  \.\/workshop \([a-z]*\) .*/\1/p' "$help.txt")" -- "$word")
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(grep -o -- '--[a-z-]*' "$help/$command.txt" 2>/dev/null | sort -u) --help" -- "$word")
  else
    case $command:$COMP_CWORD in
      bundle:2) mapfile -t COMPREPLY < <(compgen -W "save load" -- "$word") ;;
      bench:*) mapfile -t COMPREPLY < <(compgen -W "start pull build check" -- "$word") ;;
      completion:2) mapfile -t COMPREPLY < <(compgen -W "bash zsh fish" -- "$word") ;;
      room:2 | bundle:3) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
      check:2 | watch:2 | hint:2 | diff:2 | solve:2 | reset:2 | gate:2)
        mapfile -t COMPREPLY < <(compgen -W "$(cd -- "$root" && printf '%s\n' level[0-9][0-9]-* |
          sed 's/level0*\([0-9]*\)-.*/\1/')" -- "$word")
        ;;
      hint:3 | diff:3 | solve:3 | reset:3)
        mapfile -t COMPREPLY < <(compgen -W "$(sed -n 's|.*// STEP(level[0-9]*\.\([0-9]*\)).*|\1|p' \
          "$root/solutions/level0$level.cpp" 2>/dev/null | sort -un)" -- "$word")
        ;;
    esac
  fi
}
complete -F _workshop ./workshop workshop
