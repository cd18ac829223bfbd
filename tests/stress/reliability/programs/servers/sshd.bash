# sshd
# needs: sshd ssh scp
ssh-keygen -q -t ed25519 -N '' -f h
ssh-keygen -q -t ed25519 -N '' -f u
mkdir -p -m 755 /run/sshd
cp u.pub auth
chmod 600 auth
chmod 755 /tmp/work
printf 'Port 2222\nListenAddress 127.0.0.1\nHostKey %s/h\nAuthorizedKeysFile %s/auth\nStrictModes no\nUsePAM no\nPidFile %s/pid\nSubsystem sftp internal-sftp\n' $PWD $PWD $PWD >c
/usr/sbin/sshd -D -f c -E log &
up 2222
s() { ssh -F none -p 2222 -i u -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@127.0.0.1 "$@"; }
s 'echo remote; cat; exit 4' <<<in
echo $?
s 'kill -9 $$'
echo $?
seq 9000 >f
scp -q -F none -P 2222 -i u -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR f root@127.0.0.1:/tmp/work/g
cmp f g && echo same
kill %1
wait %1
echo $?
rm -f h h.pub u u.pub auth log
