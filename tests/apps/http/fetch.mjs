// node's fetch: two requests after one another, then two at once.
const base = process.argv[2];
const one = async (path, options) => {
  const answer = await fetch(base + path, options);
  return [answer.status, (await answer.text()).length];
};
console.log(await one("/small.txt"));
console.log(await one("/gone", { method: "POST", body: "a=b" }));
console.log(await Promise.all([one("/large.txt"), one("/zipped.txt")]));
