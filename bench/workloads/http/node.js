const http = require("http");
const [, , n, url, atOnce] = process.argv;
const agent = new http.Agent({ keepAlive: true, maxSockets: Number(atOnce) });

const get = () =>
  new Promise((resolve, reject) => {
    http.get(url, { agent }, (res) => {
      let length = 0;
      res.on("data", (data) => (length += data.length));
      res.on("end", () => resolve(res.statusCode + length));
    }).on("error", reject);
  });

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
