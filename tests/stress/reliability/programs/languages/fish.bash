# fish
# needs: fish
fish --no-config -c 'for i in (seq 20); set s $s (math "$i * 2"); end; echo (count $s) $s[-1]; string replace -a a b banana; begin; echo out; end | cat; false; exit 6' 2>/dev/null
echo $?
