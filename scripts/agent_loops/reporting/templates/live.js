'use strict';
(() => {
  const byId = (id) => document.getElementById(id);
  const main = byId('page');
  const address = `${location.pathname.replace(/\/$/, '')}/updates`;
  const tag = byId('now').dataset.tag;
  let seen = byId('now').dataset.seen;
  let clock = null; // what counts on between two answers: { now, idle, at }
  let failures = 0;
  let timer = 0;

  function span(seconds) {
    const whole = Math.max(0, Math.floor(seconds));
    const two = (value) => String(value).padStart(2, '0');
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    return h ? `${h}:${two(m)}:${two(s)} h` : m ? `${m}:${two(s)} min` : `${s} s`;
  }

  // As the page writes times; not every browser would.
  function clockTime() {
    const at = new Date();
    const two = (value) => String(value).padStart(2, '0');
    const month = at.toLocaleString('en-US', { month: 'short' });
    return `${two(at.getDate())} ${month} ${two(at.getHours())}:${two(at.getMinutes())}`;
  }

  const short = (seconds) => (seconds < 90 ? `${seconds.toFixed(1)} s` : span(seconds));

  function tick() {
    if (!clock) return;
    const passed = (performance.now() - clock.at) / 1000;
    const { now, idle } = clock;
    const done = byId('now-done');
    let line = 'Nothing has run yet.';
    let isEstimated = false;
    if (now) {
      const took = now.elapsed_s + passed;
      const what = now.purpose === 'measure' ? '' : `, ${now.purpose}`;
      line = `#${now.experiment} ${now.description}${what}: running for ${span(took)}`;
      const left = now.left_s === null ? null : Math.max(0, now.left_s - passed);
      const isLonger = now.usual_s !== null && took >= now.usual_s;
      isEstimated = left !== null && !(isLonger && now.by === 'earlier runs');
      if (isEstimated) {
        line += `, about ${span(left)} left by ${now.by}`;
        done.value = took / Math.max(took + left, 0.001);
      } else if (isLonger) line += `, longer than earlier runs (${short(now.usual_s)})`;
    } else if (idle) {
      line = `Nothing is running. The last was #${idle.experiment} ${idle.description}: `
        + `${idle.status}, ${span(idle.ended_s + passed)} ago.`;
    }
    done.hidden = !isEstimated;
    if (byId('now-line').textContent !== line) byId('now-line').textContent = line;
  }

  function showNow(now, idle) {
    clock = { now, idle, at: performance.now() };
    const printed = byId('now-printed');
    const figure = byId('now-curve');
    printed.hidden = !now || !now.printed;
    printed.querySelector('code').textContent = now ? now.printed : '';
    figure.hidden = !now || !now.svg;
    // Markup that the server made of numbers; nothing of a log is in it but an escaped name.
    figure.querySelector('div').innerHTML = now ? now.svg : '';
    figure.querySelector('b').textContent = now ? `${now.curve} of this run` : '';
    byId('now-earlier').hidden = !figure.querySelector('.earlier:not(.l)');
    tick();
  }

  // No <template>: in one, scripts count as switched off, and <noscript> would not be text.
  function element(html) {
    const holder = document.createElement(html.startsWith('<tbody') ? 'table' : 'div');
    holder.innerHTML = html;
    return holder.firstElementChild;
  }

  function part(name) {
    if (name === 'header') return main.querySelector(':scope > header');
    if (name === 'figures') return main.querySelector(':scope > dl.figures');
    return main.querySelector(`:scope > section[aria-labelledby="${name}"]`);
  }

  const stops = 'a[href], button, input, summary, [tabindex]';

  // Takes the place of an element, with what a person had opened in it; returns what puts the
  // focus back, if it was in there.
  function replace(old, fresh) {
    const at = [...old.querySelectorAll(stops)].indexOf(document.activeElement);
    const opened = [...old.querySelectorAll('details[open] > summary > a')].map((a) => a.hash);
    for (const link of fresh.querySelectorAll('details > summary > a')) {
      link.closest('details').open = opened.includes(link.hash);
    }
    const table = old.querySelector('#table');
    if (table) fresh.querySelector('#table')?.append(...table.tBodies);
    if (old.matches('tbody.shown')) fresh.classList.add('shown');
    old.replaceWith(fresh);
    return at < 0 ? null : () => fresh.querySelectorAll(stops)[at]?.focus({ preventScroll: true });
  }

  function putParts(parts, order) {
    let before = null;
    let focus = null;
    for (const name of order) {
      let present = part(name);
      if (parts[name]) {
        const fresh = element(parts[name]);
        if (present) focus = replace(present, fresh) ?? focus;
        else (before === null ? main : before)[before === null ? 'prepend' : 'after'](fresh);
        present = fresh;
      }
      before = present ?? before;
      if (name === 'header') before = byId('said');
    }
    for (const section of main.querySelectorAll(':scope > section[aria-labelledby]')) {
      const name = section.getAttribute('aria-labelledby');
      if (section.id !== 'now' && !order.includes(name)) section.remove();
    }
    return focus;
  }

  function putRows(rows) {
    const changed = [];
    let focus = null;
    for (const [id, html] of Object.entries(rows)) {
      const fresh = element(html);
      const present = byId(id);
      const was = present?.dataset.status;
      if (present) focus = replace(present, fresh) ?? focus;
      else byId('table')?.append(fresh);
      if (was !== fresh.dataset.status) {
        fresh.classList.add('fresh');
        say(`Experiment ${id.slice(1)}: ${fresh.dataset.status}`);
      }
      changed.push(fresh);
    }
    return [focus, changed];
  }

  function say(text) {
    byId('said').textContent = text;
  }

  // Keeps under the eye what is there, whatever grows above it.
  function steadily(change) {
    const place = (from) => from?.closest('tbody, section, header, dl.figures');
    const inView = (from) => {
      const { top, bottom } = from.getBoundingClientRect();
      return bottom > 0 && top < innerHeight;
    };
    const focused = place(document.activeElement);
    const top = focused && inView(focused) ? focused
      : place(document.elementFromPoint(innerWidth / 2, innerHeight / 2));
    const at = top && main.contains(top) && scrollY > 8 ? top.getBoundingClientRect().top : null;
    const name = top?.getAttribute('aria-labelledby');
    change();
    if (at === null) return;
    const now = top.isConnected ? top : (top.id && byId(top.id)) || (name && part(name));
    if (now) scrollBy(0, now.getBoundingClientRect().top - at);
  }

  function take(told) {
    if (told.tag !== tag) {
      location.reload(); // another campaign has begun
      return;
    }
    seen = told.seen;
    steadily(() => {
      const inParts = putParts(told.parts, told.order);
      const [inRows, changed] = putRows(told.rows);
      const isNew = changed.length || told.parts.experiments;
      if (isNew) document.dispatchEvent(new CustomEvent('rows', { detail: changed }));
      (inRows ?? inParts)?.();
      showNow(told.now, told.idle);
      link(told.problem && `The record cannot be read now: ${told.problem}`);
    });
  }

  function link(text) {
    const line = byId('link');
    const parts = (text || '').split('`').map((part, at) => {
      if (at % 2 === 0) return part;
      const code = document.createElement('code');
      code.textContent = part;
      return code;
    });
    if (line.textContent !== (text || '').replaceAll('`', '')) line.replaceChildren(...parts);
    line.hidden = !text;
  }

  function gone(text) {
    failures += 1;
    if (failures === 1 && !text) return; // once may be a hiccup
    clock = null;
    document.documentElement.classList.add('gone');
    const at = clockTime();
    if (text || byId('link').hidden) {
      steadily(() => link(text || `The server is gone. This is how it stood at ${at}. `
        + 'This page goes on by itself if it comes back; else start `agent-loops serve` again.'));
    }
  }

  function back() {
    if (!document.documentElement.classList.contains('gone')) return;
    document.documentElement.classList.remove('gone');
    steadily(() => link(''));
  }

  async function ask() {
    clearTimeout(timer);
    let wait = document.hidden ? 15000 : 1000;
    try {
      const query = document.documentElement.classList.contains('gone') ? seen.split('.')[0] : seen;
      const answer = await fetch(`${address}?seen=${query}`, { cache: 'no-store' });
      if (answer.status === 200 || answer.status === 204) {
        failures = 0;
        back();
        if (answer.status === 200) take(await answer.json());
      } else {
        gone(answer.status === 404 ? 'Another server was started: open the address it printed.' : '');
      }
    } catch {
      gone('');
    }
    if (failures > 3) wait = Math.max(wait, 5000);
    clearTimeout(timer);
    timer = setTimeout(ask, wait);
  }

  main.prepend(byId('link')); // above all that it is about
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) ask();
  });
  setInterval(tick, 1000);
  ask();
})();
