const { Agent, request } = require("undici");
const [, , n, url, atOnce] = process.argv;
const dispatcher = new Agent({ connections: Number(atOnce), pipelining: 1 });

async function get() {
  const { statusCode, body } = await request(url, { dispatcher });
  return statusCode + (await body.text()).length;
}

async function main() {
  const began = performance.now();
  let sum = 0, left = Number(n);
  async function worker() {
    while (left-- > 0) {
      const got = await get();
      sum += got;
    }
  }
  await Promise.all(Array.from({ length: Number(atOnce) }, worker));
  console.log(performance.now() - began, sum);
  process.exit(0);
}
main();
