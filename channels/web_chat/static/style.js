// The look, for a constructed stylesheet: a page with a strict policy forbids style elements, not these.

export const CSS = `
:host{all:initial!important;position:static!important;display:block!important;
--accent:#0f766e;--on-accent:#fff;--bg:#fff;--fg:#1b2430;--soft:#f0f3f6;--line:#8a94a0;--dim:#525d6b;--bad:#b3261e;--focus:#1b2430}
:host([data-theme=dark]){--bg:#161b22;--fg:#eceff3;--soft:#262d37;--line:#7d8793;--dim:#b4bdc8;--bad:#ffb4ab;--focus:#fff}
*{box-sizing:border-box;margin:0;font-family:inherit}
[hidden]{display:none!important}
.root{font:16px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;color:var(--fg);color-scheme:light;text-align:start}
:host([data-theme=dark]) .root{color-scheme:dark}
button,textarea{font:inherit;color:inherit}
button{background:none;border:0;padding:0;cursor:pointer;border-radius:10px}
:focus-visible{outline:3px solid var(--focus);outline-offset:2px;box-shadow:0 0 0 2px var(--bg)}
svg{width:24px;height:24px;display:block;fill:none;stroke:currentColor;stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
.launcher{position:fixed;z-index:2147483000;bottom:max(20px,env(safe-area-inset-bottom));right:20px;width:60px;height:60px;border-radius:30px;
background:var(--accent);color:var(--on-accent);display:grid;place-items:center;box-shadow:0 4px 14px #0005;border:2px solid transparent}
.left .launcher{right:auto;left:20px}
.launcher svg{width:28px;height:28px}
.badge{position:absolute;top:-4px;right:-4px;min-width:24px;height:24px;padding:0 6px;border-radius:12px;background:#b3261e;color:#fff;font-size:14px;line-height:24px;font-weight:600;text-align:center}
.panel{position:fixed;z-index:2147483001;right:20px;bottom:92px;width:384px;height:min(640px,calc(100dvh - 112px));max-width:calc(100vw - 40px);display:flex;flex-direction:column;
background:var(--bg);border:1px solid var(--line);border-radius:16px;overflow:hidden;box-shadow:0 12px 40px #0004;animation:rise .18s ease-out}
.left .panel{right:auto;left:20px}
@keyframes rise{from{opacity:0;transform:translateY(12px)}}
.head{display:flex;align-items:center;gap:4px;padding:8px 8px 8px 16px;background:var(--accent);color:var(--on-accent);--focus:var(--on-accent);--bg:transparent}
.who{flex:1;min-width:0}
.title{font-size:17px;font-weight:600;line-height:1.25;overflow-wrap:anywhere}
.sub{font-size:13px;line-height:1.3}
.icon{width:44px;height:44px;flex:none;display:grid;place-items:center;color:inherit;border-radius:10px}
.head .icon:hover{background:#fff3}
.note{padding:6px 16px;font-size:14px;background:var(--soft);border-bottom:1px solid var(--line)}
.note:empty{display:none}
.note.bad{color:var(--bad)}
.scroll{flex:1;min-height:0;overflow-y:auto;overscroll-behavior:contain;padding:12px 14px;scrollbar-gutter:stable}
.scroll:focus-visible{outline-offset:-3px;box-shadow:none}
.log{display:flex;flex-direction:column;gap:6px}
.day{align-self:center;font-size:13px;color:var(--dim);padding:6px}
.line{max-width:86%;align-self:flex-start;display:flex;flex-direction:column}
.line.visitor{align-self:flex-end;align-items:flex-end}
.bubble{padding:8px 12px;border-radius:14px;background:var(--soft);border:1px solid transparent;white-space:pre-wrap;overflow-wrap:anywhere}
.visitor .bubble{background:var(--accent);color:var(--on-accent)}
.system .bubble{background:none;border-color:var(--line)}
.bubble a{color:inherit;text-decoration:underline;text-underline-offset:2px}
.bubble img{display:block;max-width:100%;max-height:260px;border-radius:8px}
.bubble audio{display:block;max-width:100%;width:240px}
.under{font-size:13px;color:var(--dim);padding:2px 4px;display:flex;gap:8px;flex-wrap:wrap;align-items:center}
.under .bad{color:var(--bad)}
.under button{min-height:28px;padding:0 6px;text-decoration:underline;color:var(--fg)}
.choices{display:flex;flex-wrap:wrap;gap:8px;margin-top:10px}
.choice,.earlier,.pill{min-height:40px;padding:6px 14px;border:1px solid var(--line);border-radius:20px;background:var(--bg);color:var(--fg);text-align:start;overflow-wrap:anywhere}
.choice:hover,.earlier:hover,.pill:hover{border-color:var(--fg)}
.earlier{display:block;margin:0 auto 8px}
.pill{position:absolute;left:50%;transform:translateX(-50%);bottom:100%;margin-bottom:8px;background:var(--fg);color:var(--bg)}
.typing{min-height:24px;padding:4px 4px 0;font-size:14px;color:var(--dim)}
.foot{position:relative;border-top:1px solid var(--line);padding:8px}
.form{display:flex;align-items:flex-end;gap:4px}
.input{flex:1;min-width:60px;min-height:44px;max-height:132px;padding:9px 12px;font-size:16px;resize:none;border:1px solid var(--line);border-radius:12px;background:var(--bg);color:var(--fg)}
.input::placeholder{color:var(--dim);opacity:1}
.foot .icon{color:var(--fg)}
.foot .send{background:var(--accent);color:var(--on-accent)}
.foot .icon:hover{background:var(--soft)}
.foot .send:hover{background:var(--accent);filter:brightness(1.1)}
.rec{flex:1;display:flex;align-items:center;gap:10px;min-height:44px;padding:0 8px}
.dot{width:12px;height:12px;border-radius:6px;background:var(--bad);animation:blink 1s infinite alternate}
@keyframes blink{to{opacity:.25}}
.legal{font-size:13px;text-align:center;padding-top:4px}
.legal a{color:var(--dim);display:inline-block;min-height:24px}
.sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.full .panel{inset:0;left:0;right:0;width:auto;height:var(--screen,100dvh);max-width:none;border:0;border-radius:0;bottom:auto}
.full.opened .launcher{display:none}
@media (max-height:360px){.legal{display:none}.head{padding-block:2px}.foot{padding:4px}.input{max-height:66px}.sub{display:none}}
@media (prefers-reduced-motion:reduce){*{animation:none!important;transition:none!important;scroll-behavior:auto!important}}
@media (forced-colors:active){.launcher,.bubble,.choice{border:1px solid}.visitor .bubble{border-style:double}}
`

/**
 * Text on the salon's colour: black or white, whichever can be read better (WCAG 2.2 relative luminance).
 * A colour on which neither reaches 4.5 : 1 cannot be: the worst case of the better one is 4.58.
 * @param {string} color #rrggbb
 */
export function readableOn(color) {
  const [r, g, b] = [1, 3, 5].map(at => {
    const part = parseInt(color.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  const light = 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0)
  return 1.05 / (light + 0.05) >= (light + 0.05) / 0.05 ? '#ffffff' : '#000000'
}
