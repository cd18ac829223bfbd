# fish completion of telrun. What there is to complete is read from its own help.

complete -c telrun -x -a '(__fish_complete_subcommand)'
telrun --help |
    sed -nE 's/^ +(-(.), )?--([a-z-]+)(\[?=[A-Z]+\]?)?( +(.*))?$/\2|\3|\4|\6/p' |
    while read -d '|' short long value help
        set -l words -c telrun -l $long -d "$help"
        test -z "$short"; or set -a words -s $short
        string match -q '=*' -- $value; and set -a words -r -F
        complete $words
    end
