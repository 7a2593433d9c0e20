import http from "k6/http";
import { check, sleep } from "k6";

const BASE_URL = __ENV.BASE_URL || 'http://localhost:3333';

export const options = {
  vus: 5,
  duration: '5s',
};

export default function () {
  const res = http.post(`${BASE_URL}/api/pizza`, JSON.stringify({ maxNumberOfToppings: 6 }));
  check(res, { "is 200": (r) => r.status === 200 });
  console.log(`${res.json().pizza.name}`);
  sleep(1);
}
