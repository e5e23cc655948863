const fs = require("fs/promises");
const [, , , folder, atOnce] = process.argv;
const processText = (text) =>
  text.split("\n").map((line) => line.trim()).filter((line) => line !== "").join("\n");

async function main() {
  const began = performance.now();
  const names = await fs.readdir(folder);
  let sum = 0;
  async function worker() {
    for (let name = names.pop(); name; name = names.pop()) {
      const processed = processText(await fs.readFile(`${folder}/${name}`, "utf8"));
      await fs.writeFile(`${folder}.out/${name}`, processed);
      sum += processed.length;
    }
  }
  await Promise.all(Array.from({ length: Number(atOnce) }, worker));
  console.log(performance.now() - began, sum);
}
main();
