'use strict';
(() => {
  const table = document.getElementById('table');
  if (!table) return;
  const rows = [...table.tBodies];
  const search = document.getElementById('search');
  const shown = document.getElementById('shown');
  const texts = new Map();
  const signs = { lt: '<', gt: '>', amp: '&', '#34': '"', '#39': "'" };
  const text = (body) => {
    if (!texts.has(body)) {
      const told = body.querySelector('noscript') ? body.textContent
        .replace(/<[^>]*>/g, ' ')
        .replace(/&(lt|gt|amp|#34|#39);/g, (_, name) => signs[name]) : body.textContent;
      texts.set(body, told.toLowerCase());
    }
    return texts.get(body);
  };
  let status = 'all';

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const body of rows) {
      const fits = (status === 'all' || body.dataset.status === status)
        && words.every((word) => text(body).includes(word));
      if (body.hidden === fits) body.hidden = !fits;
      count += fits;
    }
    shown.textContent = `${count} of ${rows.length}`;
  }

  function value(body, key) {
    const cell = body.rows[0].querySelector('.' + key);
    const told = cell.dataset.v ?? cell.textContent;
    return told === '' || Number.isNaN(Number(told)) ? told : Number(told);
  }

  // What has no value comes last in either direction.
  function compare(a, b, sign) {
    if (a === '' || b === '') return (a === '') - (b === '');
    if (typeof a === 'number' && typeof b === 'number') return sign * (a - b);
    return sign * String(a).localeCompare(String(b));
  }

  function sort(button) {
    const header = button.closest('th');
    const down = header.ariaSort === 'ascending';
    for (const other of table.querySelectorAll('th')) other.removeAttribute('aria-sort');
    header.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const keyed = rows.map((body) => [value(body, button.dataset.key), body]);
    keyed.sort((a, b) => compare(a[0], b[0], down ? -1 : 1));
    const sorted = document.createDocumentFragment();
    sorted.append(...keyed.map((pair) => pair[1]));
    table.append(sorted);
  }

  // Where scripts run, <noscript> holds text: a thousand changes cost nothing until one is opened.
  function fill(body) {
    const held = body.querySelector('noscript');
    if (!held) return;
    const parsed = new DOMParser().parseFromString(held.textContent, 'text/html');
    held.replaceWith(parsed.querySelector('details > div'));
  }

  function open(body, wanted) {
    fill(body);
    body.classList.toggle('shown', wanted);
    body.querySelector('.open').setAttribute('aria-expanded', String(wanted));
  }

  function follow() {
    const body = document.getElementById(location.hash.slice(1));
    if (!body || body.tagName !== 'TBODY') return;
    body.hidden = false;
    open(body, true);
    body.scrollIntoView({ block: 'start' });
    body.querySelector('.open').focus({ preventScroll: true });
  }

  table.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (button && button.matches('.sort')) sort(button);
    const body = event.target.closest('tbody');
    const row = event.target.closest('tr.row');
    if (row && !getSelection().toString()) open(body, !body.classList.contains('shown'));
  });
  for (const button of document.querySelectorAll('.filter')) {
    button.addEventListener('click', () => {
      status = button.dataset.status;
      for (const other of document.querySelectorAll('.filter')) {
        other.setAttribute('aria-pressed', String(other === button));
      }
      filter();
    });
  }
  search.addEventListener('input', filter);
  addEventListener('hashchange', follow);
  document.querySelector('.controls').hidden = false;
  filter();
  follow();
})();
