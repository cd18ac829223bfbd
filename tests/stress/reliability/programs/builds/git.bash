# git
# needs: git
export GIT_AUTHOR_DATE=@1700000000+0000 GIT_COMMITTER_DATE=@1700000000+0000
git init -q -b main r
cd r || exit
git config user.name A
git config user.email a@b
git config gc.auto 0
printf '#!/bin/sh\necho hook >&2\n' >.git/hooks/pre-commit
chmod +x .git/hooks/pre-commit
for i in $(seq 6); do
  seq $((i * 30)) >f$i
  git add .
  git commit -qm "c$i"
done
git checkout -qb side HEAD~2
echo side >s
git add s
git commit -qm side
git checkout -q main
git merge -q --no-edit side
git rebase -q --onto HEAD~1 HEAD~1 2>/dev/null
git log --oneline --graph --stat | cat
git diff HEAD~2 | md5sum
git blame f3 | tail -1
git stash list
git gc -q
git fsck
git clone -q . ../c
(cd ../c && git pull -q && git log -1 --format=%h)
git archive HEAD | tar t | wc -l
git grep -c 77
echo dirty >>f1
git stash -q
git stash pop -q
git status --short
git bisect start -q HEAD HEAD~3 >/dev/null
git bisect run sh -c '! [ -e s ]' | grep -c 'first bad'
git bisect reset -q 2>/dev/null
git push -q ../c HEAD:refs/heads/new
git -C ../c branch | wc -l
git nonsense 2>/dev/null
echo $?
rm -rf .git ../c/.git
