# m4
# needs: m4
printf 'define(`f'"'"', `ifelse($1, 0, 1, `eval($1 * f(decr($1)))'"'"')'"'"')f(10) esyscmd(echo sub)len(abc) m4exit(3)' | m4
echo $?
