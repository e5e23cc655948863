// better-sqlite3, or Bun's own: each row committed by itself, one after the other.
const Database = process.versions.bun ? require("bun:sqlite").Database : require("better-sqlite3");
const [n, path] = process.argv.slice(2);
const db = new Database(path);
db.exec("pragma synchronous = " + (path.includes("full") ? "full" : "normal"));
const began = performance.now();
const put = db.prepare("insert into users (name, email) values (?, ?)");
for (let i = 1; i <= Number(n); i++) put.run(`user ${i}`, `user${i}@example.com`);
const took = performance.now() - began;
const { sum } = db.prepare("select count(*) + sum(length(name)) as sum from users").get();
console.log(took, sum);
