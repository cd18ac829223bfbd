# bash completion of telrun and telinject. What there is to complete is read from their own help.

# Words of an option's value: "-O" or "--output" gives "stderr file http otlp".
_telinject_values() { # telinject, option
  "$1" help settings --markdown 2>/dev/null |
    awk -F ' *[|] *' -v option="$2" '
      { split($3, names, /[`, =]+/)
        for (i in names) if (names[i] == option && $4 !~ /[.][.]|^a |digits/) { gsub(/,/, "", $4); print $4 } }'
}

# Those options of telrun whose value may be the next word: " -o --file ".
_telinject_valued() { # telrun
  "$1" --help 2>/dev/null | sed -nE 's/^ +(-.)?,? *(--[a-z-]+)=.*/ \1 \2 /p' | tr '\n' ' '
}

_telrun() {
  local cur prev words cword split i valued values
  _init_completion -s || return
  valued=$(_telinject_valued "$1")
  for ((i = 1; i < cword; i++)); do
    case ${words[i]} in
      --) _command_offset $((i + 1)) && return ;;
      -*) [[ $valued != *" ${words[i]} "* ]] || ((i++)) ;;
      *) _command_offset "$i" && return ;;
    esac
  done
  if "$split" || [[ $valued == *" $prev "* ]]; then
    values=$(_telinject_values telinject "$prev")
    if [ -n "$values" ]; then
      mapfile -t COMPREPLY < <(compgen -W "$values" -- "$cur")
    else
      _filedir
    fi
  elif [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_parse_help "$1")" -- "$cur")
    [[ ${COMPREPLY-} != *= ]] || compopt -o nospace 2>/dev/null
  else
    _command_offset "$cword"
  fi
}

_telinject() {
  local cur prev words cword split
  _init_completion -s || return
  if [ "$cword" = 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "$("$1" help | sed -nE 's/^  ([a-z|]+) .*/\1/p' | tr '|' ' ')" -- "$cur")
  elif [[ $cur == -* && ! $split == true ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$("$1" "${words[1]}" --help 2>/dev/null | _parse_help -)" -- "$cur")
    [[ ${COMPREPLY-} != *= ]] || compopt -o nospace 2>/dev/null
  else
    _filedir
  fi
}

complete -F _telrun telrun
complete -F _telinject telinject
