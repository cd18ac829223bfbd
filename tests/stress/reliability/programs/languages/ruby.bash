# ruby
# needs: ruby
ruby -e 'puts (1..20000).sum { |i| i % 7 }; r, w = IO.pipe; pid = fork { r.close; w.puts "child"; exit! 3 }; w.close; print r.read; Process.wait(pid); puts $?.exitstatus
puts [3, 1, 2].map { |n| Thread.new { n * 2 } }.map(&:value).sort.inspect; puts `echo sub`; require "digest"; puts Digest::SHA256.hexdigest("x" * 9999)[0, 9]; require "json"; puts JSON.generate({ a: [1, nil] })
trap("USR1") { puts "usr1" }; Process.kill("USR1", $$); sleep 0.05; f = Fiber.new { Fiber.yield 1; 2 }; puts f.resume + f.resume; begin; raise "x"; rescue => e; puts e.message; end; abort "aborted"'
echo $?
