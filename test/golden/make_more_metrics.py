#!/usr/bin/env python3
"""Writes the families more_metrics and ctc: metrics of Keras 3 that came after make_golden.py's, and CTC (README.md)."""
from make_golden import Family, f32, keras, metric_case, normal, np, probabilities, tf


def more_metrics(fam):
    def case(*args, **options):
        metric_case(fam, *args, **options)

    def real(rng, n):
        true = normal(rng, n, 3)
        return true, (true * 0.8 + normal(rng, n, 3) * 0.5).astype(f32)

    def positive(rng, n):
        return (rng.random((n, 3)) + 0.1).astype(f32), (rng.random((n, 3)) + 0.1).astype(f32)

    def column(rng, n):
        true, pred = real(rng, n)
        return true[:, 0], pred[:, :1]

    def signs(rng, n):
        return np.sign(normal(rng, n, 3)).astype(f32), normal(rng, n, 3)

    def binary(rng, n):
        true = (rng.random((n, 1)) < 0.5).astype(f32)
        return true, np.clip(rng.random((n, 1)) * 0.7 + true * 0.3, 0, 1).astype(f32)

    def labels(rng, n):
        true = (rng.random((n, 4)) < 0.4).astype(f32)
        return true, np.clip(rng.random((n, 4)) * 0.8 + true * 0.2, 0, 1).astype(f32)

    def one_hot(rng, n):
        return np.eye(5, dtype=f32)[rng.integers(0, 5, n)], probabilities(rng, n, 5)

    def classes(rng, n):
        true = rng.integers(0, 4, (n, 3))
        return true, np.where(rng.random((n, 3)) < 0.6, true, rng.integers(0, 4, (n, 3)))

    def smoothed(rng, n):
        return probabilities(rng, n, 5), probabilities(rng, n, 5)

    case("sum", "Sum", lambda r, n: [normal(r, n, 2)])
    case("sum_weighted", "Sum", lambda r, n: [normal(r, n, 2)], weighted=True)
    for weighted, tail in ((False, ""), (True, "_weighted")):
        case("mape" + tail, "MeanAbsolutePercentageError", positive, weighted)
        case("msle" + tail, "MeanSquaredLogarithmicError", positive, weighted)
        case("log_cosh" + tail, "LogCoshError", real, weighted)
        case("cosine" + tail, "CosineSimilarity", real, weighted)
        case("hinge" + tail, "Hinge", signs, weighted)
        case("squared_hinge" + tail, "SquaredHinge", signs, weighted)
        case("categorical_hinge" + tail, "CategoricalHinge", one_hot, weighted)
        case("kl" + tail, "KLDivergence", smoothed, weighted)
        case("poisson" + tail, "Poisson", positive, weighted)
        case("bce" + tail, "BinaryCrossentropy", labels, weighted)
        case("cce" + tail, "CategoricalCrossentropy", one_hot, weighted)
        case("scce" + tail, "SparseCategoricalCrossentropy", lambda r, n: (r.integers(0, 5, n), probabilities(r, n, 5)), weighted)
        case("r2" + tail, "R2Score", real, weighted)
        case("pearson" + tail, "PearsonCorrelation", real, weighted)
        case("concordance" + tail, "ConcordanceCorrelation", real, weighted)
        for kind in ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives"):
            case(kind + tail, kind, binary, weighted)
        case("sensitivity" + tail, "SensitivityAtSpecificity", binary, weighted, specificity=0.6)
        case("specificity" + tail, "SpecificityAtSensitivity", binary, weighted, sensitivity=0.6)
        case("precision_at" + tail, "PrecisionAtRecall", binary, weighted, recall=0.7)
        case("recall_at" + tail, "RecallAtPrecision", binary, weighted, precision=0.7)
        case("auc_multi_label" + tail, "AUC", labels, weighted, multi_label=True)
        case("fbeta" + tail, "FBetaScore", one_hot, weighted, beta=2.0)
        case("f1_labels" + tail, "F1Score", labels, weighted, threshold=0.5)
    for axis in (0, -1):
        case(f"cosine_axis{axis}", "CosineSimilarity", real, axis=axis)
        case(f"pearson_axis{axis}", "PearsonCorrelation", real, axis=axis)
        case(f"concordance_axis{axis}", "ConcordanceCorrelation", real, axis=axis)
    case("bce_logits", "BinaryCrossentropy", lambda r, n: (labels(r, n)[0], normal(r, n, 4)), from_logits=True, label_smoothing=0.1)
    case("cce_logits", "CategoricalCrossentropy", lambda r, n: (one_hot(r, n)[0], normal(r, n, 5)), from_logits=True,
         label_smoothing=0.1)
    case("scce_ignored", "SparseCategoricalCrossentropy", lambda r, n: (r.integers(-1, 5, n), normal(r, n, 5)), from_logits=True,
         ignore_class=-1)
    case("r2_each", "R2Score", real, class_aggregation=None)
    case("r2_variance", "R2Score", real, class_aggregation="variance_weighted_average")
    case("r2_adjusted", "R2Score", column, num_regressors=2)
    case("r2_too_many_regressors", "R2Score", column, num_regressors=40)
    case("r2_column", "R2Score", column)
    for kind in ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives"):
        case(kind + "_thresholds", kind, labels, thresholds=[0.2, 0.5, 0.8])
    for kind in ("Precision", "Recall"):
        case(kind + "_top_k", kind, labels, top_k=2)
        case(kind + "_top_k_any", kind, lambda r, n: (labels(r, n)[0], normal(r, n, 4) * 3), weighted=True, top_k=1)
        case(kind + "_top_k_threshold", kind, labels, top_k=2, thresholds=0.6)
        case(kind + "_class", kind, labels, weighted=True, class_id=2)
        case(kind + "_top_k_class", kind, labels, top_k=2, class_id=1, thresholds=[0.3, 0.6])
    case("sensitivity_one", "SensitivityAtSpecificity", binary, specificity=0.3, num_thresholds=1)
    case("sensitivity_none", "SensitivityAtSpecificity", lambda r, n: (np.ones((n, 1), f32), binary(r, n)[1]), specificity=1.0)
    case("specificity_class", "SpecificityAtSensitivity", labels, sensitivity=0.5, num_thresholds=11, class_id=3)
    case("precision_at_class", "PrecisionAtRecall", labels, recall=0.4, num_thresholds=5, class_id=0)
    for curve in ("ROC", "PR", "PRGAIN"):
        for method in ("interpolation", "minoring", "majoring"):
            case(f"auc_{curve}_{method}", "AUC", binary, curve=curve, summation_method=method)
        case(f"auc_{curve}_thresholds", "AUC", binary, curve=curve, thresholds=[0.2, 0.45, 0.9])
        case(f"auc_{curve}_label_weights", "AUC", labels, curve=curve, multi_label=True, label_weights=[0.5, 2.0, 0.0, 1.0])
    case("auc_weights_of_labels", "AUC", labels, label_weights=[0.5, 2.0, 0.25, 1.0])
    for average in ("micro", "macro", "weighted"):
        case(f"fbeta_of_{average}", "FBetaScore", one_hot, average=average, beta=0.5)
        case(f"f1_of_{average}", "F1Score", labels, weighted=True, average=average, threshold=0.6)
    case("f1_nothing", "F1Score", lambda r, n: (one_hot(r, n)[0], np.zeros((n, 5), f32)), average="macro")
    for weighted, tail in ((False, ""), ("integer", "_weighted")):
        case("iou" + tail, "IoU", lambda r, n: tuple(v[:, 0] for v in classes(r, n)), weighted, num_classes=4, target_class_ids=[0, 2])
        case("mean_iou" + tail, "MeanIoU", lambda r, n: tuple(v[:, 0] for v in classes(r, n)), weighted, num_classes=5)
        case("binary_iou" + tail, "BinaryIoU", binary, weighted, threshold=0.6)
        case("one_hot_iou" + tail, "OneHotIoU", one_hot, weighted, num_classes=5, target_class_ids=[1, 2, 4])
        case("one_hot_mean_iou" + tail, "OneHotMeanIoU", one_hot, weighted, num_classes=5)
    case("iou_areas", "IoU", classes, num_classes=4, target_class_ids=[1], ignore_class=0)
    case("binary_iou_one", "BinaryIoU", labels, target_class_ids=[1])
    case("mean_iou_scores", "MeanIoU", lambda r, n: (r.integers(0, 5, n), probabilities(r, n, 5)), num_classes=5, sparse_y_pred=False)
    case("one_hot_mean_iou_sparse", "OneHotMeanIoU", lambda r, n: (one_hot(r, n)[0], r.integers(0, 5, n)), num_classes=5,
         sparse_y_pred=True)


def ctc(fam):
    def case(name, target, target_length, output_length, mask_index=0, classes=5, steps=7):
        rng = fam.rng(name)
        logits = tf.constant(normal(rng, len(target), steps, classes) * 2)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = keras.ops.ctc_loss(np.array(target, "int32"), logits, np.array(target_length, "int32"),
                                      np.array(output_length, "int32"), mask_index=mask_index)
        dy = normal(rng, len(target))
        fam.add(name, "ctc_loss", dict(mask_index=mask_index),
                dict(target=np.array(target), output=logits, target_length=np.array(target_length),
                     output_length=np.array(output_length), loss=loss, dy=dy, doutput=tape.gradient(loss, logits, dy)))

    case("labels", [[1, 2, 3], [4, 4, 1]], [3, 3], [7, 7])
    case("lengths", [[1, 2, 3], [4, 4, 0], [2, 0, 0]], [3, 2, 1], [7, 5, 3])
    case("mask_last", [[0, 1, 1], [3, 0, 0]], [3, 1], [6, 7], mask_index=4)
    case("tight", [[1, 1, 2], [3, 2, 1]], [3, 3], [4, 3])  # just enough steps
    case("one_step", [[2], [1]], [1, 1], [1, 1], steps=1)
    for merge in (True, False):
        for mask in (0, 3):
            rng = fam.rng(f"decode{merge}{mask}")
            logits, lengths = normal(rng, 3, 9, 4), np.array([9, 6, 1])
            labels, scores = keras.ops.ctc_decode(logits, lengths, strategy="greedy", merge_repeated=merge, mask_index=mask)
            fam.add(f"decode_{'merged' if merge else 'all'}_{mask}", "ctc_decode", dict(merge_repeated=merge, mask_index=mask),
                    dict(inputs=logits, sequence_lengths=lengths, labels=labels[0], scores=scores))


if __name__ == "__main__":
    for make in (more_metrics, ctc):
        family = Family(make.__name__)
        make(family)
        family.save()
