// ioredis, which sends what a turn asks for in one piece, and better-sqlite3, or Bun's own.
const path = require("path");
const Redis = require(path.join(__dirname, "../../node_modules/ioredis"));
const Database = process.versions.bun
  ? require("bun:sqlite").Database
  : require(path.join(__dirname, "../../node_modules/better-sqlite3"));
const [, , n, where, atOnce] = process.argv;
const at = where.indexOf(" ");
const db = new Database(where.slice(at + 1));
const find = db.prepare("select id, name, email from users where id = ?");

async function main() {
  const redis = new Redis(where.slice(0, at), { enableAutoPipelining: true });
  await redis.ping();
  const began = performance.now();
  let sum = 0, left = Number(n);
  async function lookup(id) {
    const key = "user:" + id;
    let text = await redis.get(key);
    if (text !== null) return text;
    text = JSON.stringify(find.get(id));
    await redis.set(key, text, "EX", 3600);
    return text;
  }
  async function worker() {
    while (left > 0) {
      const text = await lookup(left--);
      sum += text.length;
    }
  }
  await Promise.all(Array.from({ length: Number(atOnce) }, worker));
  console.log(performance.now() - began, sum);
  redis.disconnect();
}
main();
