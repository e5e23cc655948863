// better-sqlite3, or Bun's own: on the thread that runs everything else.
const Database = process.versions.bun ? require("bun:sqlite").Database : require("better-sqlite3");
const [n, path] = process.argv.slice(2);
const db = new Database(path);
const rows = db.prepare("select count(*) as n from users").get().n;
const began = performance.now();
const get = db.prepare("select id, name, email from users where id = ?");
let sum = 0;
for (let i = 1; i <= Number(n); i++) {
  const row = get.get(((i * 7919) % rows) + 1);
  sum += row.id + row.name.length + row.email.length;
}
console.log(performance.now() - began, sum);
