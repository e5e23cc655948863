const n = Number(process.argv[2]);
const work = async (i) => {
  await null;
  return i % 7;
};

async function main() {
  const began = performance.now();
  let sum = 0;
  for (let first = 1; first <= n; first += 1000) {
    const tasks = [];
    for (let i = 1; i <= 1000; i++) tasks.push(work(first + i));
    for (const task of tasks) sum += await task;
  }
  console.log(performance.now() - began, sum);
}
main();
