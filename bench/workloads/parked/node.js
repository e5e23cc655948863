// Run with --expose-gc.
const n = Number(process.argv[2]);
let parked = 0;
async function wait() {
  parked++;
  await new Promise((resolve) => setTimeout(resolve, 3600e3));
}

const collect = () => (globalThis.gc || (() => Bun.gc(true)))();
collect();
const before = process.memoryUsage().rss;
for (let i = 0; i < n; i++) wait();
collect();
console.log((process.memoryUsage().rss - before) / n, parked);
process.exit(0);
