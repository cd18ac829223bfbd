# Ruby's Net::HTTP against the server of ARGV[0].
require "net/http"
base = URI(ARGV[0])
Net::HTTP.start(base.host, base.port, use_ssl: base.scheme == "https") do |http|
  %w[/small.txt /large.txt /gone].each do |path|
    answer = http.get(path)
    puts "#{answer.code} #{answer.body.size}"
  end
  puts http.post("/gone", "a=b").code
end
