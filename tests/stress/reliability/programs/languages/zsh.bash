# zsh
# needs: zsh
zsh -fc 'print -l ${(s:,:)${:-a,b,c}}; for i in {1..200}; do (( s += i )); done; print $s; print =(echo tmp) >/dev/null; cat <(print sub); setopt extendedglob; touch f1 f2; print f<1-2>; exit 5'
echo $?
