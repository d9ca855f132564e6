#!/usr/bin/env python3
"""Writes the family more_losses: the losses of Keras 3 that came after make_golden.py's (README.md)."""
from make_golden import Family, f32, loss_case, normal, np, probabilities


def more_losses(fam):
    def case(*args, **options):
        loss_case(fam, *args, **options)

    rng = fam.rng("all")
    mask = (rng.random((2, 4, 5, 1)) < 0.4).astype(f32)
    seen = rng.random((2, 4, 5, 1)).astype(f32)
    for kind in ("Dice", "Tversky"):
        case(kind.lower(), kind, mask, seen)
        case(kind.lower() + "_axes", kind, mask, seen, axis=[1, 2, 3])
        case(kind.lower() + "_weights", kind, mask, seen, weights=np.array([0.5, 2], f32), axis=[1, 2, 3])
        case(kind.lower() + "_sum", kind, mask, seen, axis=[1, 2, 3], reduction="sum")
    case("tversky_options", "Tversky", mask, seen, alpha=0.2, beta=0.7, axis=[1, 2])
    labels = rng.integers(0, 4, 6).astype("int64")
    gce = "CategoricalGeneralizedCrossEntropy"
    case("gce", gce, labels, probabilities(rng, 6, 4))
    case("gce_q", gce, labels, probabilities(rng, 6, 4), weights=rng.random(6).astype(f32), q=0.8)
    vectors = normal(rng, 9, 3)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(f32)
    classes = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2], "int64")
    case("circle", "Circle", classes, vectors)
    case("circle_options", "Circle", classes, vectors, gamma=4.0, margin=0.2, remove_diagonal=False)
    case("circle_weights", "Circle", classes, vectors, weights=rng.random(9).astype(f32), gamma=8.0)
    texts, logits = np.array([[1, 2, 2], [3, 0, 0], [1, 3, 0]], "int64"), normal(rng, 3, 6, 4)
    case("ctc", "CTC", texts, logits)
    case("ctc_weights", "CTC", texts, logits, weights=np.array([0.5, 2, 1], f32))
    case("ctc_sum", "CTC", texts, logits, reduction="sum")


if __name__ == "__main__":
    fam = Family("more_losses")
    more_losses(fam)
    fam.save()
