import http from "k6/http";
import { check, sleep } from "k6";
import { textSummary } from "https://jslib.k6.io/k6-summary/0.0.2/index.js";

const BASE_URL = __ENV.BASE_URL || 'http://localhost:3333';

export const options = {
  stages: [{ duration: '5s', target: 5 }, { duration: '10s', target: 5 }, { duration: '5s', target: 0 }],
  thresholds: { http_req_duration: ['p(95)<500', 'p(99)<1000'], checks: ["rate > 0.95"] },
};

export default function () {
  const res = http.post(`${BASE_URL}/api/pizza`, JSON.stringify({ maxNumberOfToppings: 6 }));
  check(res, { "is 200": (r) => r.status === 200 });
  console.log(`${res.json().pizza.name}`);
  sleep(1);
}

export function handleSummary(data) {
  return {
    'summary.json': JSON.stringify(data),
    stdout: textSummary(data, { indent: " " }),
  };
}
