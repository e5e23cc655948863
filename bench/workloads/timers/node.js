const n = Number(process.argv[2]);
let fired = 0;
async function wait(i) {
  await new Promise((resolve) => setTimeout(resolve, (i % 100) + 1));
  fired++;
}

async function main() {
  const began = process.cpuUsage();
  const all = [];
  for (let i = 1; i <= n; i++) all.push(wait(i));
  await Promise.all(all);
  const used = process.cpuUsage(began);
  console.log((used.user + used.system) / 1000, fired);
}
main();
