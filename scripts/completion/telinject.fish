# fish completion of telinject. What there is to complete is read from its own help.

telinject help | sed -nE 's/^  ([a-z]+) .*  ([^ ].*)/\1|\2/p' |
    while read -d '|' command help
        complete -c telinject -n __fish_use_subcommand -f -a $command -d "$help"
    end
