# ssh-keygen
# needs: ssh-keygen
ssh-keygen -q -t ed25519 -N '' -C c -f k
ssh-keygen -l -f k | wc -w
ssh-keygen -y -f k | diff - k.pub && echo same
ssh-keygen -q -t rsa -b 1024 -N pw -f r
echo data >d
ssh-keygen -q -Y sign -n file -f k d 2>/dev/null
echo "me $(cat k.pub)" >allowed
ssh-keygen -Y verify -n file -I me -f allowed -s d.sig <d | wc -w
ssh-keygen -y -P wrong -f r 2>&1 | wc -l
ssh-keygen -l -f d
echo $?
eval "$(ssh-agent -s)" >/dev/null
ssh-add -q k
ssh-add -l | wc -l
ssh-agent -k >/dev/null
