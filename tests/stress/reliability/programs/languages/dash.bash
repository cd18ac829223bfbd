# dash
# needs: dash
dash -c 'i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); done; echo $i; for x in 1 2 3; do ( echo sub $x ) & wait; done; cat <<E
here $i
E
exec 5>f; echo five >&5; cat f; trap "echo bye" EXIT; kill -9 $$'
echo $?
