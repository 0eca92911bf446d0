// Runs networks beside the page: in a worker, or in short pieces between what the page does.
((live) => {
  "use strict";

  const PIECE = 12; // milliseconds of arithmetic before the page has its turn
  const nextTurn = () => new Promise((go) => setTimeout(go));
  const home = document.currentScript.src.replace(/[^/]*$/, "");
  const networks = () => (window.cnnbookNetworks ??= {});

  // What a worker does; its text follows the arithmetic's in the worker's own.
  function atWork() {
    const arithmetic = self.arithmetic();
    const made = {};
    self.onmessage = ({data: {id, name, network, weights, pixels, off, keep}}) => {
      try {
        if (network) {
          const bytes = arithmetic.bytesOf(weights);
          made[name] = arithmetic.made(network, bytes);
          self.postMessage({id, result: bytes});
          return;
        }
        const run = made[name].run(pixels, off);
        let step = run.next();
        while (!step.done) step = run.next();
        const found = keep ? new Map(keep.map((each) => [each, step.value.get(each)])) : step.value;
        self.postMessage({id, result: found});
      } catch (error) {
        self.postMessage({id, problem: String(error?.message ?? error)});
      }
    };
  }

  /** Asks the worker; null where the browser refuses one. */
  function workerOf() {
    let worker;
    try {
      const text = `self.arithmetic = ${live.arithmetic}; (${atWork})();`;
      const address = URL.createObjectURL(new Blob([text], {type: "text/javascript"}));
      worker = new Worker(address); // a page opened as a file may start one from such an address
    } catch {
      return null;
    }
    const waiting = new Map();
    let last = 0;
    worker.onmessage = ({data: {id, result, problem}}) => {
      const {done, failed} = waiting.get(id);
      waiting.delete(id);
      if (problem === undefined) done(result);
      else failed(new Error(problem));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      for (const {failed} of waiting.values()) failed(new Error("the worker stopped"));
      waiting.clear();
    };
    const ask = (message) =>
      new Promise((done, failed) => {
        waiting.set(++last, {done, failed});
        worker.postMessage({id: last, ...message});
      });
    return {
      load: (name, network, weights) => ask({name, network, weights}),
      run: (name, pixels, off, keep) => ask({name, pixels, off, keep}),
    };
  }

  /** The same without a worker. */
  function inPieces() {
    const arithmetic = live.arithmetic();
    const made = {};
    return {
      async load(name, network, weights) {
        await nextTurn();
        const bytes = arithmetic.bytesOf(weights);
        made[name] = arithmetic.made(network, bytes);
        return bytes;
      },
      async run(name, pixels, off, keep) {
        const run = made[name].run(pixels, off);
        let since = performance.now();
        for (;;) {
          const step = run.next();
          if (step.done)
            return keep ? new Map(keep.map((n) => [n, step.value.get(n)])) : step.value;
          if (performance.now() - since > PIECE) {
            await nextTurn();
            since = performance.now();
          }
        }
      },
    };
  }

  let hands = null;
  const loading = new Map();
  const waiting = []; // runs that wait for their turn: those that a reader waits for come first
  let busy = false;

  async function nextRun() {
    if (busy || !waiting.length) return;
    busy = true;
    const at = Math.max(
      0,
      waiting.findIndex(({later}) => !later),
    );
    const [{name, pixels, off, keep, done, failed}] = waiting.splice(at, 1);
    try {
      done(await hands.run(name, pixels, off, keep));
    } catch (error) {
      failed(error);
    }
    busy = false;
    nextRun();
  }

  const script = (address) =>
    new Promise((done, failed) => {
      const element = document.createElement("script");
      element.src = address;
      element.onload = () => done();
      element.onerror = () => failed(new Error(`${address} cannot be read`));
      document.head.append(element);
    });

  live.engine = {
    /** Names of the networks there are. */
    names: () => Object.keys(live.index ?? {}),

    /** Which of the two ways it goes: "worker" or "pieces"; "" before the first network. */
    way: "",

    /** A network by its name, with its `bytes`. @returns {Promise<object>} */
    load(name) {
      if (!Object.hasOwn(live.index ?? {}, name))
        return Promise.reject(new Error(`there is no network “${name}” on this page`));
      if (!loading.has(name)) {
        const loaded = (async () => {
          if (!Object.hasOwn(networks(), name)) await script(`${home}networks/${name}.js`);
          if (!Object.hasOwn(networks(), name)) throw new Error("its file is empty or damaged");
          const {weights, ...network} = networks()[name];
          if (!hands) {
            hands = workerOf();
            this.way = hands ? "worker" : "pieces";
            hands = hands ?? inPieces();
          }
          try {
            network.bytes = await hands.load(name, network, weights);
          } catch (error) {
            if (this.way !== "worker") throw error;
            hands = inPieces(); // started, and stopped at once: some settings refuse it so
            this.way = "pieces";
            network.bytes = await hands.load(name, network, weights);
          }
          delete networks()[name].weights; // the bytes have them
          network.byName = new Map(network.steps.map((step) => [step.name, step]));
          return network;
        })();
        loading.set(name, loaded);
        loaded.catch(() => loading.delete(name));
      }
      return loading.get(name);
    },

    /**
     * Every step's values by name, or those in `keep`.
     * @param {boolean} later whether other runs go first
     * @returns {Promise<Map<string, Float32Array>>}
     */
    async run(name, pixels, {off = {}, keep = null, later = false} = {}) {
      await this.load(name);
      return new Promise((done, failed) => {
        waiting.push({name, pixels, off, keep, later, done, failed});
        nextRun();
      });
    },

    /** Runs that wait and that nobody waits for any more are left out. */
    forget() {
      for (let i = waiting.length - 1; i >= 0; i--)
        if (waiting[i].later) waiting.splice(i, 1)[0].failed(new Error("forgotten"));
    },
  };

  /**
   * The public hook: every activation of a network of this page on one image.
   *
   * @param {string} name of the network, as in `cnnbook.models.create(name, weights=…)`
   * @param {number[]} pixels 784 grey values of 0 to 255, row after row
   * @returns {Promise<Object<string, {shape: number[], values: number[]}>>} by name: `input` as the
   *   first layer gets it; every row of `profile(...).table`, its own output; every other module and
   *   every join by the name that it has in `cnnbook.interpret.activations`
   */
  live.run = async (name, pixels) => {
    const given = Array.from(pixels ?? []);
    const fine = (p) => typeof p === "number" && p >= 0 && p <= 255;
    if (given.length !== 784 || !given.every(fine))
      throw new Error("an image is 784 grey values of 0 to 255");
    const network = await live.engine.load(name);
    const found = await live.engine.run(name, given);
    const one = (step) => ({
      shape: [...network.byName.get(step).shape],
      values: Array.from(found.get(step)),
    });
    const steps = network.steps.map((step) => [step.name, one(step.name)]);
    const modules = Object.entries(network.modules).map(([path, step]) => [path, one(step)]);
    return Object.fromEntries([...steps, ...modules]);
  };
})(((window.cnnbook ??= {}).live ??= {}));
