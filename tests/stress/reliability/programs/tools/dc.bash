# dc
# needs: dc
echo '40k 2v p 16o 255p 10o 3 4 5 **p [la1+dsap100>x]sx 0sa lxx' | dc
echo '1 0 / p' | dc
echo $?
