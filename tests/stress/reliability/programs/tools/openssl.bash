# openssl
# needs: openssl
seq 20000 >n
openssl enc -aes-256-cbc -pbkdf2 -k pw -S 0011223344556677 -in n -out n.e
sha256sum n.e
openssl enc -d -aes-256-cbc -pbkdf2 -k pw -in n.e | cmp - n
openssl dgst -sha3-256 n
openssl genpkey -algorithm ed25519 -out k
openssl pkey -in k -pubout -out p
openssl pkeyutl -sign -rawin -inkey k -in n -out s
openssl pkeyutl -verify -rawin -pubin -inkey p -in n -sigfile s
openssl rand 16 | wc -c
openssl speed -seconds 1 -bytes 64 sha256 2>/dev/null | wc -l
openssl enc -d -aes-256-cbc -pbkdf2 -k wrong -in n.e >/dev/null 2>&1
echo $?
openssl prime 1000003
openssl nonsense 2>&1 | head -1
