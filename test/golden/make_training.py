#!/usr/bin/env python3
"""Writes the families of what training is made of besides make_golden.py's: schedules, optimizers_more, callbacks, regularizers (README.md)."""
import sys

from make_golden import Family, f32, keras, normal, np, tf


# ---- learning rate schedules: Keras in f32 -------------------------------------------------------------------------

def schedules(fam):
    def case(name, kind, *args, steps=(0, 1, 2, 3, 5, 7, 9, 10, 11, 14, 15, 19, 20, 21, 29, 30, 31, 45, 70, 100), **options):
        schedule = getattr(keras.optimizers.schedules, kind)(*args, **options)
        rates = [float(schedule(tf.constant(s, "int64"))) for s in steps]
        fam.add(name, kind, dict(args=list(args), **options), dict(steps=np.array(steps, "int64"), rates=np.array(rates, f32)))

    for staircase in (False, True):
        tail = "_staircase" if staircase else ""
        case("exponential" + tail, "ExponentialDecay", 0.1, 10, 0.5, staircase=staircase)
        case("inverse_time" + tail, "InverseTimeDecay", 0.1, 10, 0.5, staircase=staircase)
    case("polynomial", "PolynomialDecay", 0.1, 20)
    case("polynomial_power", "PolynomialDecay", 0.1, 20, end_learning_rate=0.01, power=2.0)
    case("polynomial_cycle", "PolynomialDecay", 0.1, 20, end_learning_rate=0.01, power=0.5, cycle=True)
    case("piecewise", "PiecewiseConstantDecay", [10, 20, 45], [1.0, 0.5, 0.1, 0.01])
    case("cosine", "CosineDecay", 0.1, 30)
    case("cosine_alpha", "CosineDecay", 0.1, 30, alpha=0.2)
    case("cosine_warmup", "CosineDecay", 0.01, 30, warmup_target=0.2, warmup_steps=10)
    case("restarts", "CosineDecayRestarts", 0.1, 10)
    case("restarts_same", "CosineDecayRestarts", 0.1, 10, t_mul=1.0, m_mul=0.9, alpha=0.1)
    case("restarts_longer", "CosineDecayRestarts", 0.1, 8, t_mul=1.5, m_mul=0.8)


# ---- optimizers beside those of make_golden.py: Keras in f32, 10 steps ---------------------------------------------

def optimizers_more(fam):
    keep = ("learning_rate", "momentum", "nesterov", "beta_1", "beta_2", "epsilon", "amsgrad", "rho", "weight_decay", "clipnorm",
            "clipvalue", "global_clipnorm", "initial_accumulator_value", "learning_rate_power", "l1_regularization_strength",
            "l2_regularization_strength", "l2_shrinkage_regularization_strength", "beta", "beta_2_decay", "epsilon_1",
            "epsilon_2", "clip_threshold", "relative_step", "adam_beta_1", "adam_beta_2", "adam_weight_decay", "ns_steps",
            "rms_rate", "adam_lr_ratio", "exclude_layers", "use_ema", "ema_momentum", "ema_overwrite_frequency")
    rng = fam.rng("steps")
    start = [normal(rng, 3, 4), normal(rng, 5), normal(rng, 2, 3, 2)]
    grads = [normal(rng, 10, 3, 4) * 2, normal(rng, 10, 5) * 0.3, normal(rng, 10, 2, 3, 2)]
    grads[1][:, 2] = 0  # one element never has a gradient
    fam.add("start", "none", {}, {f"{field}{i}": v[i] for field, v in (("start_", start), ("grads_", grads)) for i in range(3)})

    def case(name, kind, finalize=False, schedule=None, **options):
        if schedule:
            options["learning_rate"] = keras.optimizers.schedules.ExponentialDecay(*schedule)
        variables = [keras.Variable(v, name="abc"[i]) for i, v in enumerate(start)]
        optimizer = getattr(keras.optimizers, kind)(**options)
        after = [[], [], []]
        for step in range(10):
            optimizer.apply([tf.constant(g[step]) for g in grads], variables)
            for i in range(3):
                after[i].append(variables[i].numpy().copy())
        config = optimizer.get_config()
        attrs = {k: float(f"{config[k]:.7g}") if isinstance(config[k], float) else config[k]
                 for k in keep if config.get(k) is not None and not isinstance(config[k], dict)}
        fields = {f"after_{i}": np.stack([after[i][s] for s in (0, 1, 4, 9)]) for i in range(3)}
        if options.get("use_ema"):
            optimizer.finalize_variable_values(variables)
            fields |= {f"average_{i}": variables[i].numpy() for i in range(3)}
        else:
            attrs = {k: v for k, v in attrs.items() if "ema" not in k}
        fam.add(name, kind, attrs | ({"schedule": list(schedule)} if schedule else {}), fields)

    for name in ("Adamax", "Nadam", "Adadelta", "Ftrl", "Lion", "Lamb", "Adafactor", "Muon"):
        case(name.lower(), name)
        case(name.lower() + "_fast_decay", name, learning_rate=0.1, weight_decay=0.01, clipnorm=2.0)
    case("adamax_betas", "Adamax", learning_rate=0.01, beta_1=0.8, beta_2=0.9, epsilon=1e-3)
    case("nadam_betas", "Nadam", learning_rate=0.01, beta_1=0.8, beta_2=0.9, epsilon=1e-3)
    case("adadelta_rho", "Adadelta", learning_rate=1.0, rho=0.8, epsilon=1e-3)
    case("ftrl_options", "Ftrl", learning_rate=0.1, learning_rate_power=-0.7, initial_accumulator_value=0.3,
         l1_regularization_strength=0.05, l2_regularization_strength=0.02, l2_shrinkage_regularization_strength=0.03, beta=0.1)
    case("lion_betas", "Lion", learning_rate=0.01, beta_1=0.5, beta_2=0.7)
    case("adafactor_options", "Adafactor", learning_rate=0.5, beta_2_decay=-0.5, epsilon_2=0.1, clip_threshold=0.5)
    case("adafactor_not_relative", "Adafactor", learning_rate=0.5, relative_step=False)
    case("muon_options", "Muon", learning_rate=0.05, momentum=0.8, nesterov=False, ns_steps=3, rms_rate=0.3, adam_lr_ratio=0.5,
         adam_weight_decay=0.1, weight_decay=0.2)
    case("muon_excluded", "Muon", learning_rate=0.05, exclude_layers=["a"])
    case("sgd_ema", "SGD", learning_rate=0.1, use_ema=True, ema_momentum=0.8)
    case("adam_ema_overwrite", "Adam", learning_rate=0.1, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3)
    case("lion_ema", "Lion", learning_rate=0.1, use_ema=True)
    case("adam_schedule", "Adam", schedule=(0.1, 2, 0.5))
    case("sgd_schedule", "SGD", schedule=(0.1, 3, 0.7), momentum=0.9, weight_decay=0.01)
    case("nadam_schedule", "Nadam", schedule=(0.1, 3, 0.7))


# ---- callbacks that watch a value: what a real fit of Keras does when the value goes so ----------------------------

def callbacks(fam):
    class Script(keras.callbacks.Callback):
        def __init__(self, values):
            super().__init__()
            self.values = values

        def on_epoch_end(self, epoch, logs=None):
            logs["val_loss"] = self.values[epoch]

    def case(kind, values, **options):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(1.0), "mse")
        watcher = getattr(keras.callbacks, kind)(**options)
        history = model.fit(np.zeros((4, 1)), np.zeros((4, 1)), epochs=len(values), verbose=0,
                            callbacks=[Script(values), watcher]).history
        seen = dict(epochs=len(history["loss"]))
        if kind == "EarlyStopping":
            seen |= dict(stopped_epoch=watcher.stopped_epoch, best_epoch=watcher.best_epoch)
        else:
            seen |= dict(rates=[float(f"{r:.6g}") for r in history["learning_rate"]])
        fam.add(f"{kind}_{len(fam.cases)}", kind, options, values=values, **seen)

    dip = [5, 4, 3, 3.5, 3.2, 2.9, 2.95, 2.95, 2.95, 2.95]
    for options in (dict(patience=2), dict(patience=3), dict(min_delta=0.5, patience=3), dict(patience=2, mode="max"),
                    dict(patience=2, baseline=3.1), dict(patience=2, baseline=1), dict(start_from_epoch=4), dict(),
                    dict(patience=20), dict(patience=2, min_delta=-0.2, restore_best_weights=True)):
        case("EarlyStopping", dip, **options)
    case("EarlyStopping", dip[::-1], patience=2, mode="max", min_delta=0.05)
    plateau = [5, 4, 4, 4, 4, 4, 3.99995, 3, 3, 3, 3, 3, 2]
    for options in (dict(factor=0.5, patience=2), dict(factor=0.5, patience=1, cooldown=2), dict(patience=1, min_lr=0.05),
                    dict(factor=0.5, patience=2, min_delta=0), dict(factor=0.2, patience=0, mode="max"), dict(factor=0.5)):
        case("ReduceLROnPlateau", plateau, **options)


# ---- regularizers and constraints: Keras in f32 --------------------------------------------------------------------

def regularizers(fam):
    for kind, options in (("L1", {}), ("L2", {}), ("L1L2", dict(l1=0.1, l2=0.2)), ("L1", dict(l1=0.5)), ("L2", dict(l2=0.5)),
                          ("OrthogonalRegularizer", {}), ("OrthogonalRegularizer", dict(factor=0.5, mode="columns"))):
        x = normal(fam.rng(f"{kind}{options}"), 4, 3)
        fam.add(f"{kind}_{len(fam.cases)}", kind, options, dict(x=x, y=getattr(keras.regularizers, kind)(**options)(tf.constant(x))))
    for kind, options in (("MaxNorm", {}), ("MaxNorm", dict(max_value=0.8, axis=[0, 1, 2])), ("NonNeg", {}), ("UnitNorm", {}),
                          ("UnitNorm", dict(axis=[1])), ("MinMaxNorm", {}),
                          ("MinMaxNorm", dict(min_value=0.5, max_value=0.7, rate=0.3, axis=[0, 1, 2]))):
        x = normal(fam.rng(f"{kind}{options}"), 2, 2, 3, 4) if len(options.get("axis", [])) == 3 else normal(fam.rng(kind), 4, 3) * 2
        fam.add(f"{kind}_{len(fam.cases)}", kind, options, dict(x=x, y=getattr(keras.constraints, kind)(**options)(tf.constant(x))))

    class Added(keras.layers.Layer):
        def call(self, x):
            self.add_loss(0.1 * keras.ops.mean(keras.ops.square(x)))
            return x

    R, C = keras.regularizers, keras.constraints
    first = keras.layers.Dense(4, "tanh", kernel_regularizer=R.L1L2(0.01, 0.02), bias_regularizer=R.L2(0.1),
                               activity_regularizer=R.L2(0.01), kernel_constraint=C.MaxNorm(0.7))
    last = keras.layers.Dense(1, kernel_regularizer="l2", kernel_constraint="non_neg")
    model = keras.Sequential([keras.Input((3,)), first, Added(), last])
    rng = fam.rng("train")
    for v in model.variables:
        v.assign(normal(rng, *v.shape))
    x, y = normal(rng, 8, 3), normal(rng, 8, 1)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    start = {f"start_{i}": v.numpy() for i, v in enumerate(model.variables)}
    losses = model.fit(x, y, batch_size=4, epochs=5, shuffle=False, verbose=0, validation_data=(x, y)).history
    fam.add("train", "fit", {}, dict(x=x, y=y, losses=losses["loss"], val_losses=losses["val_loss"]) | start |
            {f"end_{i}": v.numpy() for i, v in enumerate(model.variables)})


FAMILIES = [schedules, optimizers_more, callbacks, regularizers]

if __name__ == "__main__":
    known = {f.__name__: f for f in FAMILIES}
    for unknown in set(sys.argv[1:]) - set(known):
        sys.exit(f"make_training: no family '{unknown}'. Families: {', '.join(known)}.")
    for wanted in sys.argv[1:] or known:
        family = Family(wanted)
        known[wanted](family)
        family.save()
