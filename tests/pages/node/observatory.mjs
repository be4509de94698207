// Grades answers of pages with the scorer of MDN's HTTP Observatory, as if they came over TLS from a proxy that sends
// plain HTTP to HTTPS. Reads [{url, status, headers: {name: [value]}, body}] and writes [{url, grade, score, failed}].
import { readFileSync } from "node:fs";
import { CookieJar } from "tough-cookie";
import { ALL_TESTS } from "@mdn/mdn-http-observatory/src/constants.js";
import { MINIMUM_SCORE_FOR_EXTRA_CREDIT } from "@mdn/mdn-http-observatory/src/grader/charts.js";
import { getGradeForScore, getScoreModifier } from "@mdn/mdn-http-observatory/src/grader/grader.js";
import { Requests } from "@mdn/mdn-http-observatory/src/types.js";

function answered({ url, status, headers, body }) {
  const address = new URL(url);
  const jar = new CookieJar();
  for (const cookie of headers["set-cookie"] ?? []) jar.setCookieSync(cookie, url);
  const response = { status, headers, data: body, verified: true, httpEquiv: new Map() };
  const requests = new Requests(address.hostname);
  const plain = new URL(url.replace(/^https/, "http"));
  requests.resources.path = body;
  requests.session = { url: address, jar };
  Object.assign(requests.responses, {
    auto: response,
    https: response,
    http: response,
    httpRedirects: [
      { url: plain, status: 301 },
      { url: address, status },
    ],
  });
  return requests;
}

function graded(page) {
  const requests = answered(page);
  const results = ALL_TESTS.map((test) => test(requests)).filter((output) => output.result);
  const modifiers = results.map((output) => getScoreModifier(output.result));
  const sum = (numbers) => numbers.reduce((one, other) => one + other, 100);
  const uncurved = sum(modifiers.filter((modifier) => modifier < 0));
  const score = uncurved >= MINIMUM_SCORE_FOR_EXTRA_CREDIT ? sum(modifiers) : uncurved;
  const failed = results.filter((output) => !output.pass).map((output) => output.result);
  return { url: page.url, ...getGradeForScore(score), failed };
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(graded)));
