// Asks Lighthouse about pages, all in one browser. Reads {flags, pages: [{url, cookie}]} and writes
// [{url, reached, accessibility, best_practices, failed}], scores from 0 to 100.
import { readFileSync } from "node:fs";
import { launch } from "chrome-launcher";
import lighthouse from "lighthouse";

const { flags, pages } = JSON.parse(readFileSync(0, "utf8"));
const chrome = await launch({ chromeFlags: ["--headless=new", ...flags], logLevel: "silent" });
const options = {
  port: chrome.port,
  logLevel: "silent",
  onlyCategories: ["accessibility", "best-practices"],
  disableStorageReset: true,
};
const answers = [];
try {
  for (const { url, cookie } of pages) {
    const { lhr } = await lighthouse(url, { ...options, extraHeaders: cookie ? { Cookie: cookie } : {} });
    const score = (name) => Math.round(100 * (lhr.categories[name].score ?? 0));
    const asked = Object.values(lhr.categories).flatMap((category) => category.auditRefs);
    const failed = asked
      .filter(({ id, weight }) => weight > 0 && lhr.audits[id].score !== null && lhr.audits[id].score < 1)
      .map(({ id }) => `${id}: ${lhr.audits[id].title}`);
    answers.push({
      url,
      reached: lhr.finalDisplayedUrl,
      accessibility: score("accessibility"),
      best_practices: score("best-practices"),
      failed,
    });
  }
} finally {
  chrome.kill();
}
process.stdout.write(JSON.stringify(answers));
