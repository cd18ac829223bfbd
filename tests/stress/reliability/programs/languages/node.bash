# node
# needs: node
node -e 'const { execFileSync, spawn } = require("child_process"), { Worker } = require("worker_threads"), crypto = require("crypto"), http = require("http"); console.log(execFileSync("echo", ["sub"]).toString());
let s = 0; for (let i = 0; i < 3e5; i++) s += i % 7; console.log(s, crypto.createHash("sha256").update("x").digest("hex").slice(0, 9)); const server = http.createServer((q, r) => r.end("page " + q.url)).listen(8702, "127.0.0.1", () =>
http.get("http://127.0.0.1:8702/a", (r) => { r.on("data", (d) => console.log(r.statusCode, d.toString())); r.on("end", () => { server.close(); const c = spawn("sh", ["-c", "echo child; exit 4"], { stdio: "inherit" });
c.on("exit", (code) => new Worker("console.log(\"worker\")", { eval: true }).on("exit", () => process.exit(code + 1))); }); }));'
echo $?
node -e 'process.kill(process.pid, "SIGTERM"); setTimeout(() => {}, 1000)'
echo $?
