const n = Number(process.argv[2]);
let done = 0;
const work = async () => void done++;

// A race with a timer, which is cleared.
async function timeout(ms, fn) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(reject, ms, new Error("timeout"))));
  try {
    return await Promise.race([fn(), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function main() {
  for (let i = 0; i < 1000; i++) setTimeout(work, 1800e3);
  const began = performance.now();
  for (let i = 0; i < n; i++) await timeout(3600e3, work);
  console.log(performance.now() - began, done);
  process.exit(0);
}
main();
