// better-sqlite3, or Bun's own.
const Database = process.versions.bun ? require("bun:sqlite").Database : require("better-sqlite3");
const [n, path] = process.argv.slice(2);
const db = new Database(path);
db.exec("pragma synchronous = normal");
const began = performance.now();
const put = db.prepare("insert into users (name, email) values (?, ?)");
for (let first = 1; first <= Number(n); first += 1000) {
  db.exec("begin immediate");
  for (let i = first; i < first + 1000; i++) put.run(`user ${i}`, `user${i}@example.com`);
  db.exec("commit");
}
const took = performance.now() - began;
const { sum } = db.prepare("select count(*) + sum(length(name)) as sum from users").get();
console.log(took, sum);
