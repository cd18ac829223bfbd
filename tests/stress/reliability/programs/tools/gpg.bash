# gpg
# needs: gpg
export GNUPGHOME=$PWD/g
mkdir -m 700 g
echo text >t
gpg --batch -q --passphrase x --pinentry-mode loopback --symmetric t
ls
gpg --batch -q --passphrase x --pinentry-mode loopback -d t.gpg
gpg --batch -q --passphrase '' --pinentry-mode loopback --quick-generate-key a@b ed25519 2>/dev/null
gpg --batch -q --detach-sign t
gpg --verify t.sig t 2>&1 | grep -c Good
gpg --print-md sha256 t
gpg --batch -q -d t
echo $?
gpgconf --kill all
