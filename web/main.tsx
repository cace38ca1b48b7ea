import { render } from 'preact';

import type { StatusView } from '../src/wire/http.ts';
import { Standing } from './standing.tsx';

const page = document.querySelector('#page');
if (page === null) throw new Error('index.html has no element #page');

const answer = await fetch('/v1/status');
const status = answer.ok ? ((await answer.json()) as StatusView) : undefined;
render(<Standing status={status} />, page);
