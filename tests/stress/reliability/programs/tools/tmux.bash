# tmux
# needs: tmux
tmux -L c -f /dev/null new-session -d -x 80 -y 24 'cat > got'
tmux -L c send-keys hello Enter
for _ in $(seq 100); do
  grep -q hello got 2>/dev/null && break
  sleep 0.02
done
tmux -L c list-sessions -F '#{session_name} #{window_width}'
tmux -L c new-window -d 'echo second > two; exit 3'
for _ in $(seq 100); do
  [ -s two ] && break
  sleep 0.02
done
cat got two
tmux -L c kill-server
for _ in $(seq 100); do
  tmux -L c ls >/dev/null 2>&1 || break
  sleep 0.02
done
rm -rf /tmp/tmux-*
echo end
