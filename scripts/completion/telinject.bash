# bash completion of telrun and telinject. What there is to complete is read from their own help.

# Words of an option's value: "-O" or "--output" gives "stderr file http otlp".
_telinject_values() { # telinject, option
  "$1" help settings --markdown 2>/dev/null |
    awk -F ' *[|] *' -v option="$2" '
      { split($3, names, /[`, =]+/)
        for (i in names) if (names[i] == option && $4 !~ /[.][.]|^a |digits/) { gsub(/,/, "", $4); print $4 } }'
}

# Those short options of telrun that take a value.
_telinject_letters() { # telrun
  "$1" --help 2>/dev/null | sed -nE 's/^ +-(.), --[a-z-]+=.*/\1/p' | tr -d '\n'
}

_telrun() {
  local cur prev words cword split i letters values
  _init_completion -s || return
  letters=$(_telinject_letters "$1")
  for ((i = 1; i < cword; i++)); do
    case ${words[i]} in
      --) _command_offset $((i + 1)) && return ;;
      -["$letters"]) ((i++)) ;;
      -*) ;;
      *) _command_offset "$i" && return ;;
    esac
  done
  if "$split" || [[ $prev == -["$letters"] ]]; then
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
