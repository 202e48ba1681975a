import { text } from './markup.ts';
import { STYLE } from './style.ts';

/** A page that needs nothing else: no network, no script. `body` is markup already; `style` goes after what every page looks like. */
export const htmlPage = (title: string, body: string, style = ''): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${text(title)}</title>
<style>${STYLE}${style}</style>
</head>
<body>
<main>
${body}</main>
</body>
</html>
`;
