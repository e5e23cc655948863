// ioredis, which sends what a turn asks for in one piece.
const Redis = require("ioredis");
const [, , n, url, atOnce] = process.argv;

async function main() {
  const redis = new Redis(url, { enableAutoPipelining: true });
  await redis.ping();
  const began = performance.now();
  let sum = 0, left = Number(n);
  async function worker() {
    while (left > 0) {
      const value = await redis.get("key:" + (--left % 1000));
      sum += value.length;
    }
  }
  await Promise.all(Array.from({ length: Number(atOnce) }, worker));
  console.log(performance.now() - began, sum);
  redis.disconnect();
}
main();
