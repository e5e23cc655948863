const fs = require("fs/promises");
const [, , , folder, atOnce] = process.argv;

async function main() {
  const began = performance.now();
  const names = await fs.readdir(folder);
  let sum = 0;
  async function worker() {
    for (let name = names.pop(); name; name = names.pop()) {
      const data = await fs.readFile(`${folder}/${name}`);
      sum += data.length + data[0];
    }
  }
  await Promise.all(Array.from({ length: Number(atOnce) }, worker));
  console.log(performance.now() - began, sum);
}
main();
