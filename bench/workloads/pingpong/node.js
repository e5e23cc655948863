const n = Number(process.argv[2]);

// A sender hands its value to the receiver that waits, or waits for one.
class Channel {
  senders = [];
  receivers = [];
  send(value) {
    const receiver = this.receivers.shift();
    if (receiver) return void receiver(value);
    return new Promise((resolve) => this.senders.push({ value, resolve }));
  }
  recv() {
    const sender = this.senders.shift();
    if (!sender) return new Promise((resolve) => this.receivers.push(resolve));
    sender.resolve();
    return sender.value;
  }
}

async function echo(there, back, rounds) {
  for (let i = 0; i < rounds; i++) await back.send((await there.recv()) + 1);
}

async function main() {
  const began = performance.now();
  const there = new Channel(), back = new Channel();
  let sum = 0;
  const other = echo(there, back, n / 2);
  for (let i = 1; i <= n / 2; i++) {
    await there.send(i);
    sum += await back.recv();
  }
  await other;
  console.log(performance.now() - began, sum);
}
main();
