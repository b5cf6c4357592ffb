"use strict";
// All versions of a scene play at once, and all but one are muted. So a switch keeps the position.
(() => {
  const data = JSON.parse(document.getElementById("scenes").textContent);
  const sections = [...document.querySelectorAll(".scene")];
  const colours = [[0, "#e4572e"], [3, "#f3a712"], [5, "#e8d33f"], [7, "#a8c965"], [Infinity, "#5fb878"]]; // [SDR below this many dB, colour]
  const FADE = 0.008; // seconds
  let context = null, active = 0;
  let playing = null; // {number, sources, gains, began}
  let requests = 0; // of play or stop; a later one cancels a start that still decodes

  document.documentElement.classList.add("js");

  const scenes = data.map((scene, number) => {
    const section = sections[number], find = (selector) => section.querySelector(selector);
    return {
      ...scene, number, section, buffers: null, position: 0, on: false,
      play: find(".play"), seek: find(".seek"), time: find(".time"), loop: find(".loop"), playhead: find(".playhead"), at: find(".at"),
      versions: [...section.querySelectorAll(".version")], radios: [...section.querySelectorAll(".versions input")],
      clips: [...section.querySelectorAll(".clips audio")], cells: [...section.querySelectorAll(".readout tbody tr")],
    };
  });

  const chosen = (scene) => scene.radios.findIndex((radio) => radio.checked);
  const bounded = (scene, seconds) => Math.min(Math.max(seconds, 0), scene.seconds);
  const running = (scene) => playing !== null && playing.number === scene.number;

  function position(scene) {
    if (!running(scene)) return scene.position;
    const elapsed = Math.max(0, context.currentTime - playing.began);
    return scene.loop.checked ? elapsed % scene.seconds : Math.min(elapsed, scene.seconds);
  }

  async function decoded(scene) {
    const bytes = (clip) => Uint8Array.from(atob(clip.src.slice(clip.src.indexOf(",") + 1)), (letter) => letter.charCodeAt(0)).buffer;
    scene.buffers ??= Promise.all(scene.clips.map((clip) => context.decodeAudioData(bytes(clip))));
    return scene.buffers;
  }

  async function start(scene) {
    stop();
    const request = requests;
    activate(scene.number);
    label(scene, true);
    let buffers;
    try {
      context ??= new AudioContext();
      await context.resume();
      buffers = await decoded(scene);
    } catch (error) {
      scene.buffers = null;
      label(scene, false);
      scene.time.textContent = "cannot be played here";
      throw error;
    }
    if (request !== requests) return; // a later request came while the clips were decoded
    const from = scene.position >= scene.seconds ? 0 : scene.position, when = context.currentTime + 0.03;
    const gains = buffers.map((_, version) => new GainNode(context, { gain: version === chosen(scene) ? 1 : 0 }));
    const sources = buffers.map((buffer, version) => {
      const source = new AudioBufferSourceNode(context, { buffer, loop: scene.loop.checked, loopEnd: scene.seconds });
      source.connect(gains[version]).connect(context.destination);
      source.start(when, from);
      return source;
    });
    playing = { number: scene.number, sources, gains, began: when - from };
    sources[0].onended = () => { if (running(scene) && playing.sources === sources) { stop(); scene.position = 0; draw(scene); } };
    requestAnimationFrame(tick);
  }

  function stop() {
    requests += 1;
    scenes.forEach((scene) => label(scene, false));
    if (playing === null) return;
    const scene = scenes[playing.number];
    scene.position = position(scene);
    playing.sources.forEach((source) => { source.onended = null; source.stop(); });
    playing = null;
    draw(scene);
  }

  function label(scene, on) {
    scene.on = on;
    scene.play.textContent = on ? "\u275a\u275a Pause" : "\u25b6 Play";
    scene.play.setAttribute("aria-label", `${on ? "Pause" : "Play"} ${scene.name}`);
  }

  function go(scene, seconds) {
    const resume = scene.on;
    if (resume) stop();
    scene.position = bounded(scene, seconds);
    draw(scene);
    if (resume) start(scene);
  }

  function choose(scene, version) {
    if (!scene.radios[version]) return;
    scene.radios[version].checked = true;
    scene.versions.forEach((element, number) => { element.hidden = number !== version; });
    if (running(scene)) playing.gains.forEach((gain, number) => gain.gain.setTargetAtTime(number === version ? 1 : 0, context.currentTime, FADE));
  }

  function activate(number) {
    active = number;
    sections.forEach((section, other) => section.classList.toggle("active", other === number));
  }

  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  function draw(scene) {
    const now = position(scene);
    scene.playhead.style.left = `${(100 * now) / scene.seconds}%`;
    scene.seek.value = now;
    scene.seek.setAttribute("aria-valuetext", `${now.toFixed(1)} of ${scene.seconds.toFixed(1)} seconds`);
    scene.time.textContent = `${now.toFixed(1)} s`;
    scene.cells.forEach((row) => {
      const frames = scene.frames[row.dataset.source], frame = frames.findLast((one) => one.start <= now && now < one.start + scene.window);
      scene.at.textContent = frame ? clock(scene.start + frame.start) : "-";
      ["sdr", "isr", "sir", "sar"].forEach((measure, column) => {
        const value = frame?.[measure];
        row.cells[column + 1].textContent = value === undefined || value === null ? "-" : value.toFixed(2);
      });
      row.title = frame?.dropped ?? "";
    });
  }

  function tick() {
    if (playing === null) return;
    draw(scenes[playing.number]);
    requestAnimationFrame(tick);
  }

  function strips(scene) {
    scene.section.querySelectorAll(".strip").forEach((strip) => {
      const frames = scene.frames[strip.dataset.source];
      frames.forEach((frame, number) => {
        const end = frames[number + 1]?.start ?? Math.min(scene.seconds, frame.start + scene.window), bar = document.createElement("i");
        const value = frame.sdr, text = document.createElement("b");
        text.textContent = value === null ? "-" : value.toFixed(1);
        bar.title = value === null ? frame.dropped : `${value.toFixed(2)} dB`;
        bar.className = value === null ? "none" : "";
        bar.style.left = `${(100 * frame.start) / scene.seconds}%`;
        bar.style.width = `${(100 * (end - frame.start)) / scene.seconds}%`;
        bar.style.height = `${value === null ? 45 : Math.min(100, Math.max(30, 30 + 4 * value))}%`;
        if (value !== null) bar.style.background = colours.find(([below]) => value < below)[1];
        bar.append(text);
        strip.append(bar);
      });
    });
  }

  scenes.forEach((scene) => {
    strips(scene);
    scene.play.onclick = () => (scene.on ? stop() : start(scene));
    scene.seek.oninput = () => go(scene, Number(scene.seek.value));
    scene.radios.forEach((radio, version) => { radio.onchange = () => { activate(scene.number); choose(scene, version); }; });
    scene.loop.onchange = () => { if (scene.on) start(scene); };
    scene.section.querySelector(".stage").onclick = (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      activate(scene.number);
      go(scene, (scene.seconds * (event.clientX - box.left)) / box.width);
    };
    choose(scene, Math.max(0, chosen(scene)));
    draw(scene);
  });
  activate(0);

  document.querySelectorAll("a[data-time]").forEach((link) => {
    link.onclick = () => {
      const scene = scenes[link.dataset.scene];
      stop();
      choose(scene, 1);
      scene.position = bounded(scene, Number(link.dataset.time));
      start(scene);
    };
  });

  document.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !document.getElementById("keys").checked) return;
    const scene = scenes[active], key = event.key.toLowerCase();
    const own = event.target.closest("button, a, summary, input[type=checkbox], input[type=radio]"); // these use the space bar themselves
    const move = { n: 1, p: -1 }[key], seconds = { j: -1, l: 1 }[key];
    if (key === " " && !own) { event.preventDefault(); scene.play.click(); }
    else if (key >= "0" && key <= "9") choose(scene, key === "0" ? 9 : Number(key) - 1);
    else if (seconds) go(scene, position(scene) + seconds);
    else if (move && scenes[active + move]) {
      const was = scene.on, next = scenes[active + move];
      stop();
      activate(next.number);
      next.section.scrollIntoView();
      next.section.focus({ preventScroll: true });
      if (was) start(next);
    }
  };
})();
