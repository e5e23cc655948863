// better-sqlite3, or Bun's own: on the thread that runs everything else.
const Database = process.versions.bun ? require("bun:sqlite").Database : require("better-sqlite3");
const [n, path] = process.argv.slice(2);
const db = new Database(path);
const began = performance.now();
let sum = 0;
for (const row of db.prepare("select id, name, email from users limit ?").iterate(Number(n)))
  sum += row.id + row.name.length + row.email.length;
console.log(performance.now() - began, sum);
