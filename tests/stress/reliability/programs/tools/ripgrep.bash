# ripgrep
# needs: rg
mkdir t
for i in $(seq 40); do seq 500 >t/$i; done
rg -c 99 t | sort | head -3
rg --files t | wc -l
rg -j4 -o '1\d3$' t | sort | uniq -c | wc -l
rg nothing t
echo $?
