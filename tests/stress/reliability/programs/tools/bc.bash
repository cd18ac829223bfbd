# bc
# needs: bc
printf 'scale=200\n4*a(1)\ne(1)\n2^300\ndefine f(n) {\nif (n < 2) return (n);\nreturn (f(n-1) + f(n-2));\n}\nf(16)\n1/0\nsqrt(2)\n' | bc -l
echo $?
