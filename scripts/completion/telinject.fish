# fish completion of telinject. What there is to complete is read from its own help.

telinject help | sed -nE 's/^  ([a-z|]+) .*  ([^ ].*)/\1|\2/p' |
    while read -l line
        set -l words (string split '|' -- $line)
        complete -c telinject -n __fish_use_subcommand -f -a "$words[1..-2]" -d $words[-1]
    end
